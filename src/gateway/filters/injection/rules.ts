/** What a rule says about a text in which it is found. */
export interface Rule {
  readonly name: string
  /** 0 … 1; from 0.5 on it is enough by itself. */
  readonly score: number
  /** Linear: starts with a literal, gaps bounded. */
  readonly pattern: RegExp
}

const GAP = String.raw`[^.!?\n]{0,48}?`

/**
 * Verb, then what it is about, within a clause. That the verb begins a word is asked behind it: in front, it would be asked at every character.
 */
const clause = (verbs: string, objects: string): RegExp =>
  new RegExp(String.raw`(?<verb>${verbs})(?<![\p{L}\p{N}]\k<verb>)(?![\p{L}])${GAP}(?<![\p{L}])(?:${objects})(?![\p{L}])`, 'iu')

const OVERRIDES: Readonly<Record<string, RegExp>> = {
  en: clause(
    'ignore|disregard|forget|override|bypass|discard|do not follow|don.t follow|stop following|pay no attention to',
    String.raw`(?:all|any|previous|prior|earlier|above|preceding|former|your|these|those|initial|original|system|foregoing)\s(?:of\s)?(?:the\s|your\s|my\s|these\s)?(?:previous\s|prior\s|earlier\s|above\s|preceding\s|initial\s|original\s|system\s|safety\s|given\s|other\s)*(?:instructions?|prompts?|rules|guidelines|directions|directives|commands|orders|programming|training|policies|tasks|assignments)`,
  ),
  de: clause(
    'ignorier\\p{L}*|vergiss|vergesst|vergessen sie|missachte\\p{L}*|verwirf|beachte nicht',
    String.raw`(?:alle|allen|vorherige[nr]?|vorangegangenen?|bisherigen?|obigen?|deine|ihre|vorigen?|früheren|vorstehenden)\s(?:[\p{L}]{1,24}\s){0,3}?(?:anweisung(?:en)?|instruktion(?:en)?|befehle?|regeln|vorgaben|aufgaben|anordnungen|richtlinien|aufträge|prompts?)`,
  ),
  fr: clause(
    'ignore[rz]?|oublie[rz]?|ne tiens pas compte|ne tenez pas compte|fais abstraction|outrepasse[rz]?',
    'instructions?|consignes?|directives?|ordres|règles',
  ),
  es: clause(
    'ignora|ignore|ignorar|olvida|olvide|olvídate|omite|descarta|haz caso omiso',
    'instrucciones|reglas|órdenes|ordenes|indicaciones|directrices',
  ),
  it: clause('ignora|ignorate|ignori|dimentica|dimenticate|trascura|non considerare', 'istruzioni|regole|direttive|ordini|indicazioni'),
  nl: clause(
    'negeer|vergeet|sla over',
    String.raw`(?:alle|vorige|eerdere|bovenstaande|je|jouw|uw|voorgaande)\s(?:[\p{L}]{1,24}\s){0,3}?(?:instructies|regels|opdrachten|aanwijzingen|richtlijnen)`,
  ),
  pt: clause('ignora|ignore|esqueça|esquece|desconsidere|desconsidera', 'instruções|regras|ordens|diretrizes|comandos'),
  pl: clause('zignoruj|ignoruj|zapomnij|pomiń', 'instrukcje|instrukcjach|polecenia|poleceniach|zasady|zasadach|wytyczne'),
  ru: clause('игнорируй|игнорируйте|проигнорируй|забудь|забудьте', 'инструкции|инструкциях|указания|указаниях|правила|команды'),
  tr: clause('önceki|yukarıdaki|tüm', 'talimatları (?:yok say|unut|görmezden gel)'),
  zh: /(?:忽略|无视|忘记|忽視|無視).{0,16}(?:指令|指示|提示|规则|規則|说明|命令)/u,
  ja: /(?:指示|命令|ルール|プロンプト).{0,8}(?:無視|忘れ)/u,
}

const REVEALS: Readonly<Record<string, RegExp>> = {
  de: clause(
    'zeige?|gib|nenne|wiederhole|verrate|schreibe?|wie lauten?|was sind',
    'systemprompt|system-prompt|systemanweisung(?:en)?|(?:deine[nr]?|ihre[nr]?) (?:geheimen?|internen?|ursprünglichen?) (?:anweisungen|vorgaben|instruktionen)',
  ),
  fr: clause(
    'affiche[rz]?|montre[rz]?|donne[rz]?|répète[rz]?|révèle[rz]?|recopie[rz]?|quelles sont',
    'prompt système|(?:instructions|consignes) (?:système|secrètes|cachées|initiales)',
  ),
  es: clause(
    'muestra|muéstrame|dame|repite|revela|copia|cuáles son',
    'prompt (?:del|de) sistema|instrucciones (?:de sistema|del sistema|secretas|ocultas|iniciales)',
  ),
  it: clause(
    'mostra|mostrami|dammi|ripeti|rivela|copia|quali sono',
    'prompt di sistema|istruzioni (?:di sistema|segrete|nascoste|iniziali)',
  ),
  nl: clause('toon|geef|herhaal|onthul|wat zijn', 'systeemprompt|systeeminstructies|(?:geheime|verborgen) instructies'),
  pt: clause(
    'mostra|mostre|repita|repete|revela|revele|quais são',
    'prompt (?:do|de) sistema|instruções (?:do sistema|secretas|ocultas|iniciais)',
  ),
}

/** What only someone who plays the system, or speaks to a model behind its operator's back, writes. Sources of the forms: the public taxonomy of OWASP LLM01. */
export const RULES: readonly Rule[] = [
  ...Object.entries(OVERRIDES).map(([language, pattern]): Rule => ({ name: `override-instructions-${language}`, score: 0.9, pattern })),
  ...Object.entries(REVEALS).map(([language, pattern]): Rule => ({ name: `reveal-system-prompt-${language}`, score: 0.8, pattern })),
  {
    name: 'reveal-system-prompt-en',
    score: 0.85,
    pattern: clause(
      'reveal|show|print|repeat|output|display|leak|disclose|recite|give me|tell me|spell.check|return|write out|what (?:is|are|was|were)',
      String.raw`(?:your|the|this|all|above|full|entire|exact|complete)\s(?:[\p{L}]{1,24}\s){0,2}?(?:system prompt|system message|initial prompt|initial instructions|hidden prompt|hidden instructions|original prompt|original instructions|secret instructions|prompt texts?|above prompt|above instructions|prompt above|instructions above)`,
    ),
  },
  {
    name: 'template-markup',
    score: 0.8,
    pattern:
      /<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|eot_id)\|>|<<\/?SYS>>|\[\/?INST\]|<\/?(?:system_prompt|system-prompt|system_instructions?)>/iu,
  },
  {
    name: 'false-boundary',
    score: 0.75,
    pattern:
      /(?:-{3,20}|={3,20}|#{3,20}|\*{3,20}|"{3}|`{3}|<{2,4}|\[)\s?(?:end|begin|start|new|stop|ende|neue|fin|nuevas?)\s?(?:of\s|der\s|des\s|de\s)?(?:the\s|all\s)?(?:system|user|prompt|instructions?|context|anweisungen|admin|policy|input)/iu,
  },
  { name: 'role-line', score: 0.3, pattern: /(?:^|\n)\s{0,4}(?:#{1,4}\s?)?(?:system|developer)\s?(?:prompt|message)?\s?:/iu },
  {
    name: 'tool-call',
    score: 0.55,
    pattern: /"(?:tool_calls?|function_call|tool_use)"\s{0,4}:\s{0,4}[[{"]|<(?:tool_call|function_calls|invoke)[\s>]/iu,
  },
  {
    name: 'exfiltration-link',
    score: 0.8,
    pattern: /!?\[[^\]\n]{0,80}\]\(https?:\/\/[^)\s{[<$]{0,200}[?&/=][^)\s{[<$]{0,80}(?:\{|\[|<|%7b|\$\{|\$\()/iu,
  },
  { name: 'remote-image', score: 0.2, pattern: /!\[[^\]\n]{0,80}\]\(https?:\/\/[^)\s]{1,300}\?[^)\s]{1,300}\)/iu },
  {
    name: 'unbound-persona',
    score: 0.8,
    pattern:
      /\bdo anything now\b|\b(?:you are|act as|pretend to be|become|simulate|enable|enter|activate|stay as|stay a) (?:now )?(?:DAN|STAN|DUDE|an? (?:unfiltered|uncensored|amoral|unrestricted|jailbroken)|(?:the )?(?:developer|jailbreak|god|unrestricted) mode)\b/iu,
  },
]

/** Tag characters that spell out something: no one types them. */
export const SMUGGLING: Omit<Rule, 'pattern'> & { readonly fewest: number } = { name: 'invisible-text', score: 0.85, fewest: 6 }
