// The network @title@ in WebAssembly. @mark@.
export type Numbers = Float32Array | Float64Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array | Uint8ClampedArray;
/** Numbers one after the other, the last axis nearest, and their shape, the rows first. */
export interface Flat { data: Numbers; shape: number[] }
export type Rows = @rows@;
export type FlatRows = @mixed@;
export type Result = @result@;
export type FlatResult = @flat_result@;
export interface Port { readonly name: string; readonly kind: "float" | "int" | "text"; readonly shape: readonly (number | string | null)[] }
/** Results are flat if the first input is. Bad data throws an Error that says what is wrong. */
export interface Predict {
(x: Rows): Result;@alone@
(x: FlatRows): FlatResult;
readonly inputs: readonly Port[];
readonly outputs: readonly Port[];
}
/** `simd: false` loads the module without vectors; `wasm` is used in place of the file beside this one. */
export function load(options?: { simd?: boolean; wasm?: BufferSource | WebAssembly.Module | URL }): Promise<Predict>;
