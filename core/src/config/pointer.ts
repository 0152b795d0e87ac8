/** JSON pointers (RFC 6901) are the inner address of a value; people get the dotted path of keys. */

export function joinPointer(parent: string, key: string | number): string {
  return `${parent}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

export function splitPointer(pointer: string): readonly string[] {
  if (pointer === '') return []
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

export function parentPointer(pointer: string): string {
  return pointer.slice(0, Math.max(0, pointer.lastIndexOf('/')))
}

/** `/agents/ada/teams/0` -> `agents.ada.teams.0`; the root itself has no name of its own. */
export function dottedPath(pointer: string): string {
  return pointer === '' ? '(root)' : splitPointer(pointer).join('.')
}
