import { readFileSync, readlinkSync } from 'node:fs'

/**
 * Which process this is, so that a later one on the same machine can tell whether it has ended: the machine's boot, the pid
 * namespace (containers share neither), the pid, and when that process began, since pids are used again. Linux only; null
 * elsewhere, and then silence alone tells that a node is dead.
 */
export function ownProcess(): string | null {
  const space = ownSpace()
  const began = beganAt(process.pid)
  return space === null || began === null ? null : `${space}/${process.pid}/${began}`
}

/** True: it was a process of this machine and namespace, and it runs no more. False: it runs, or nobody here can tell. */
export function hasEnded(mark: string): boolean {
  const [boot, namespace, pid, began] = mark.split('/')
  if (`${boot}/${namespace}` !== ownSpace()) return false
  return beganAt(Number(pid)) !== began
}

function ownSpace(): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot}/${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return null
  }
}

/** Clock ticks after the boot; null: no such process, or one that has ended and is only not collected yet. */
function beganAt(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in brackets, may hold anything; the fields after it are plain: state first, the beginning 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null)
  } catch {
    return null
  }
}
