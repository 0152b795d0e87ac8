/** What the benches take out of the built core, by path below its src. Its types come from the sources. */
export async function core<T>(path: string): Promise<T> {
  return (await import(new URL(`../../../core/dist/src/${path}`, import.meta.url).href)) as T
}
