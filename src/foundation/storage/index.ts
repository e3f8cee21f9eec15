export { type Database, migrate, type Migrations, openDatabase, storageError, transaction } from './database.ts'
export { type DurableFile, type DurableFolder, type LinkingFolder, replaceFile } from './durable-folder.ts'
export { type Fault, MemoryFolder, type MemoryFolderOptions } from './memory-folder.ts'
export { nodeFolder } from './node-folder.ts'
