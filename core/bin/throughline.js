#!/usr/bin/env -S node --max-semi-space-size=32
// A batch of messages outlives the default young generation: copied once too often it costs a seventh of the engine's time.
import { run } from '../dist/src/cli/run.js'

process.exitCode = await run(process.argv.slice(2))
// A plugin that was only loaded, or a connection that will not close, must not keep the command from ending.
setTimeout(() => process.exit(), 2_000).unref()
