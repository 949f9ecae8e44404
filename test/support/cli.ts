import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export type CliResult = Readonly<{ code: number | null; stdout: string; stderr: string }>

/** Runs the built command to its end. */
export function runCli(
  args: readonly string[],
  { input = '', cwd, environment = {} }: { input?: string; cwd?: string; environment?: Record<string, string> } = {},
): Promise<CliResult> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [main, ...args], { cwd, env: { ...process.env, ...environment } })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    child.once('error', fail)
    child.once('close', (code) => done({ code, stdout, stderr }))
  })
}
