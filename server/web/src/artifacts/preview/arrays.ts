// Heads of files of arrays: NumPy's .npy, and safetensors.

export interface ArrayHead {
  facts: [string, string][];
  // Its first numbers as text.
  values: string;
}

const SHOWN = 64;

// Reads one number of a type such as "<f4"; undefined for a type that is not shown.
function reader(type: string): { size: number; get: (view: DataView, at: number) => string } | undefined {
  const isLittle = !type.startsWith(">");
  const of = (size: number, get: (view: DataView, at: number) => unknown) => ({
    size,
    get: (view: DataView, at: number) => String(get(view, at)),
  });
  const float = (value: number, digits: number): number => Number(value.toPrecision(digits));
  switch (type.slice(1)) {
    case "f4": return of(4, (view, at) => float(view.getFloat32(at, isLittle), 7));
    case "f8": return of(8, (view, at) => view.getFloat64(at, isLittle));
    case "i1": return of(1, (view, at) => view.getInt8(at));
    case "i2": return of(2, (view, at) => view.getInt16(at, isLittle));
    case "i4": return of(4, (view, at) => view.getInt32(at, isLittle));
    case "i8": return of(8, (view, at) => view.getBigInt64(at, isLittle));
    case "u1": return of(1, (view, at) => view.getUint8(at));
    case "u2": return of(2, (view, at) => view.getUint16(at, isLittle));
    case "u4": return of(4, (view, at) => view.getUint32(at, isLittle));
    case "u8": return of(8, (view, at) => view.getBigUint64(at, isLittle));
    case "b1": return of(1, (view, at) => view.getUint8(at) !== 0);
    default: return undefined;
  }
}

// Throws an Error that says what is wrong with it.
export function npyHead(bytes: Uint8Array<ArrayBuffer>): ArrayHead {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || bytes[0] !== 0x93 || new TextDecoder().decode(bytes.subarray(1, 6)) !== "NUMPY") throw new Error("It does not begin as an .npy file does.");
  const isFirst = bytes[6] === 1;
  const start = isFirst ? 10 : 12;
  const end = start + (isFirst ? view.getUint16(8, true) : view.getUint32(8, true));
  const head = new TextDecoder().decode(bytes.subarray(start, end));
  const type = /'descr':\s*'([^']+)'/.exec(head)?.[1] ?? /'descr':\s*(\[.*?\]),\s*'/.exec(head)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(head)?.[1]?.replace(/,\s*$/, "").split(",").map((one) => one.trim()).filter(Boolean);
  if (type === undefined || shape === undefined || end > bytes.length) throw new Error("Its head cannot be read.");
  const total = shape.reduce((product, one) => product * Number(one), 1);
  const number = reader(type);
  const values: string[] = [];
  if (number) {
    for (let at = end; at + number.size <= bytes.length && values.length < Math.min(SHOWN, total); at += number.size) values.push(number.get(view, at));
  }
  const order = /'fortran_order':\s*True/.test(head) ? "columns first" : "rows first";
  return {
    facts: [["type", type], ["shape", shape.length > 0 ? shape.join(" × ") : "one value"], ["order", order]],
    values: values.join(", ") + (values.length > 0 && values.length < total ? ", …" : ""),
  };
}

// How long the head of a safetensors file is: its first 8 bytes say so.
export function tensorsLength(bytes: Uint8Array<ArrayBuffer>): number {
  const length = bytes.length < 8 ? 0n : new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length < 2n || length > 100_000_000n) throw new Error("It does not begin as a safetensors file does.");
  return Number(length);
}

// A row for each tensor: name, type, shape, size in bytes.
export function tensorsOf(head: string): { metadata: [string, string][]; rows: [string, string, string, number][] } {
  type Tensor = { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  const found = JSON.parse(head) as Record<string, Tensor>;
  const metadata = Object.entries(found["__metadata__"] ?? {}).map(([key, value]): [string, string] => [key, String(value)]);
  const rows = Object.entries(found).filter(([name]) => name !== "__metadata__").map(([name, one]): [string, string, string, number] => {
    const [start, end] = Array.isArray(one.data_offsets) ? one.data_offsets.map(Number) : [];
    return [name, String(one.dtype), Array.isArray(one.shape) ? one.shape.join(" × ") : "", (end ?? 0) - (start ?? 0)];
  });
  return { metadata, rows };
}
