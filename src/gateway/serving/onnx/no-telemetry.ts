/**
 * The published Linux build of ONNX Runtime (from 1.29) reports to its maker: names and digests of models, an identifier of the
 * device, over HTTPS, with a database in the user's cache folder. It reads this variable when it is loaded, so this file must be
 * imported before it. A worker thread has an environment of its own that native code does not see: load the runtime in the main
 * thread of a process first, or start the process with the variable set.
 */
export const TELEMETRY_OPT_OUT = 'ORT_DISABLE_TELEMETRY'

process.env[TELEMETRY_OPT_OUT] = '1'
