// How a file is shown, by the ending of its name. What it holds may be something else: each way of showing says so then.

export type Kind = "image" | "audio" | "video" | "json" | "table" | "parquet" | "npy" | "tensors" | "text";

const ENDINGS: Partial<Record<Kind, string>> = {
  image: "png jpg jpeg gif webp svg avif bmp ico",
  audio: "wav mp3 ogg oga opus flac m4a aac",
  video: "mp4 webm ogv",
  json: "json geojson ipynb",
  table: "csv tsv",
  parquet: "parquet",
  npy: "npy",
  tensors: "safetensors",
};

export function kindOf(path: string): Kind {
  const ending = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
  const found = Object.entries(ENDINGS).find(([, endings]) => endings.split(" ").includes(ending));
  return (found?.[0] ?? "text") as Kind;
}
