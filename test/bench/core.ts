/** The parts of a bench that know the core from inside stand in core/test/bench; here they are entered, built. */
export async function coreBench<T>(name: string): Promise<T> {
  return (await import(new URL(`../../../core/dist/test/bench/${name}.js`, import.meta.url).href)) as T
}
