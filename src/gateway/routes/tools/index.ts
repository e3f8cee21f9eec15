export { anthropicTools, openAiTools } from './asked-tools.ts'
export { type AskedTool, ToolGuard, type ToolCallMade } from './tool-guard.ts'
