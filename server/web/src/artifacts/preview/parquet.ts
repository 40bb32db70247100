// The head of a Parquet file: a file of its own in the page, loaded when somebody looks at one. It imports nothing of the page,
// which would else be split into what both need and what it alone needs.

import { decompress } from "fzstd";
import { parquetMetadataAsync, parquetReadObjects, type FileMetaData, type SchemaElement } from "hyparquet";

const MIB = 1 << 20;
// What is read and unpacked at most to show rows: a first row group may hold all of a large file.
const MOST_READ = 16 * MIB;
const MOST_UNPACKED = 64 * MIB;
const MOST_COLUMNS = 50;

export interface ParquetHead {
  rowCount: bigint;
  groupCount: number;
  createdBy: string;
  // Name and type of each column.
  columns: [string, string][];
  // Names of the columns whose values are shown.
  shown: string[];
  rows: string[][];
  // Why there are no rows, if so.
  why: string;
}

// Nested columns by the name of the outermost, as they are read by it.
function columnsOf(metadata: FileMetaData): [string, string][] {
  const found: [string, string][] = [];
  let at = 1;
  const pass = (): SchemaElement | undefined => {
    const element = metadata.schema[at];
    at += 1;
    for (let child = 0; child < (element?.num_children ?? 0) && at < metadata.schema.length; child += 1) pass();
    return element;
  };
  while (at < metadata.schema.length) {
    const element = pass();
    if (element) found.push([element.name, typeOf(element)]);
  }
  return found;
}

function typeOf(element: SchemaElement): string {
  const logical = element.logical_type?.type ?? element.converted_type;
  const type = logical ?? element.type ?? (element.num_children ? "nested" : "");
  return `${type.toLowerCase()}${element.repetition_type === "REPEATED" ? ", repeated" : ""}`;
}

// The first columns of the first row group that are small enough together.
function affordable(metadata: FileMetaData, names: string[]): string[] {
  const sizes = new Map<string, [number, number]>();
  for (const { meta_data: column } of metadata.row_groups[0]?.columns ?? []) {
    const name = column?.path_in_schema[0];
    if (!column || name === undefined) continue;
    const [packed, whole] = sizes.get(name) ?? [0, 0];
    sizes.set(name, [packed + Number(column.total_compressed_size), whole + Number(column.total_uncompressed_size)]);
  }
  let [packed, whole] = [0, 0];
  const found: string[] = [];
  for (const name of names.slice(0, MOST_COLUMNS)) {
    const [more, unpacked] = sizes.get(name) ?? [0, 0];
    packed += more;
    whole += unpacked;
    if (packed > MOST_READ || whole > MOST_UNPACKED) break;
    found.push(name);
  }
  return found;
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value.slice(0, 1000);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value !== "object") return String(value);
  return JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? String(one) : one)).slice(0, 1000);
}

export async function parquetHead(sizeBytes: number, read: (start: number, end: number) => Promise<ArrayBuffer>, rowEnd: number): Promise<ParquetHead> {
  const slice = async (start: number, end = sizeBytes): Promise<ArrayBuffer> => {
    // The footer of a file that lies may say anything.
    if (end - start > 2 * MOST_READ) throw new Error(`It says to read ${end - start} bytes at once.`);
    return read(start, end);
  };
  const file = { byteLength: sizeBytes, slice };
  const metadata = await parquetMetadataAsync(file);
  const columns = columnsOf(metadata);
  const shown = affordable(metadata, columns.map(([name]) => name));
  const head = { rowCount: metadata.num_rows, groupCount: metadata.row_groups.length, createdBy: metadata.created_by ?? "", columns, shown };
  if (metadata.num_rows === 0n) return { ...head, rows: [], why: "It has no rows." };
  if (shown.length === 0) return { ...head, rows: [], why: "Its rows are not shown: the first group of them is too large to be read for that." };
  const end = Math.min(rowEnd, Number(metadata.row_groups[0]?.num_rows ?? 0));
  try {
    const compressors = {
      ZSTD: (input: Uint8Array, length: number): Uint8Array => {
        if (length > MOST_UNPACKED) throw new Error(`a page of it says to have ${length} bytes.`);
        return decompress(input, new Uint8Array(length));
      },
    };
    const rows = await parquetReadObjects({ file, metadata, columns: shown, rowStart: 0, rowEnd: end, compressors });
    return { ...head, rows: rows.map((row) => shown.map((name) => textOf(row[name]))), why: "" };
  } catch (error) {
    return { ...head, rows: [], why: `Its rows are not shown: ${error instanceof Error ? error.message : String(error)}` };
  }
}
