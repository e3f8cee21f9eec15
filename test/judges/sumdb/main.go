// Judges a log that Redoubt exported with Go's checksum-database code, which shares nothing with ours.
//
// Usage: main FOLDER. The folder holds `vkey`, `checkpoint`, `records` (lines of index, base64 entry and base64 proof hashes)
// and `trees` (lines of old size, old root, size, root and base64 consistency proof hashes). Prints one JSON line.
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
	os.Exit(1)
}

func read(folder, name string) string {
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		fail(name, err)
	}
	return string(content)
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		fail("number", err)
	}
	return value
}

func toHash(text string) tlog.Hash {
	var hash tlog.Hash
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(bytes) != tlog.HashSize {
		fail("hash", fmt.Errorf("%q is none: %v", text, err))
	}
	copy(hash[:], bytes)
	return hash
}

func toHashes(texts []string) []tlog.Hash {
	hashes := []tlog.Hash{}
	for _, text := range texts {
		hashes = append(hashes, toHash(text))
	}
	return hashes
}

func eachLine(content string, judge func(fields []string)) {
	scanner := bufio.NewScanner(strings.NewReader(content))
	scanner.Buffer(make([]byte, 1<<20), 1<<20)
	for scanner.Scan() {
		judge(strings.Fields(scanner.Text()))
	}
	if err := scanner.Err(); err != nil {
		fail("lines", err)
	}
}

func main() {
	if len(os.Args) != 2 {
		fail("usage", fmt.Errorf("main FOLDER"))
	}
	folder := os.Args[1]
	verifier, err := note.NewVerifier(strings.TrimSpace(read(folder, "vkey")))
	if err != nil {
		fail("note.NewVerifier", err)
	}
	opened, err := note.Open([]byte(read(folder, "checkpoint")), note.VerifierList(verifier))
	if err != nil {
		fail("note.Open", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 3 || lines[0] != verifier.Name() {
		fail("checkpoint", fmt.Errorf("unexpected text %q", opened.Text))
	}
	size, root := number(lines[1]), toHash(lines[2])

	records := 0
	eachLine(read(folder, "records"), func(fields []string) {
		entry, err := base64.StdEncoding.DecodeString(fields[1])
		if err != nil {
			fail("record", err)
		}
		index := number(fields[0])
		if err := tlog.CheckRecord(tlog.RecordProof(toHashes(fields[2:])), size, root, index, tlog.RecordHash(entry)); err != nil {
			fail(fmt.Sprintf("tlog.CheckRecord %d", index), err)
		}
		entry = append(entry, 'x')
		if tlog.CheckRecord(tlog.RecordProof(toHashes(fields[2:])), size, root, index, tlog.RecordHash(entry)) == nil {
			fail("tlog.CheckRecord", fmt.Errorf("accepts another entry at %d", index))
		}
		records++
	})

	trees := 0
	eachLine(read(folder, "trees"), func(fields []string) {
		proof := tlog.TreeProof(toHashes(fields[4:]))
		if err := tlog.CheckTree(proof, number(fields[2]), toHash(fields[3]), number(fields[0]), toHash(fields[1])); err != nil {
			fail(fmt.Sprintf("tlog.CheckTree %s to %s", fields[0], fields[2]), err)
		}
		trees++
	})
	fmt.Printf("{\"size\":%d,\"records\":%d,\"trees\":%d}\n", size, records, trees)
}
