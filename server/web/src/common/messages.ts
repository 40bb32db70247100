// Messages of the contract as JSON has them: what the page reads of them.

export interface Project {
  id: string;
  uid: string;
  name?: string;
  description?: string;
  deletedAtUs?: string;
}

export interface Statistics {
  modelCount?: string;
  runningModelCount?: string;
  artifactCount?: string;
  versionCount?: string;
  versionBytes?: string;
  storedBytes?: string;
  cacheEntryCount?: string;
  cacheHits?: string;
  cacheSavedUs?: string;
  activeAtUs?: string;
}

export interface Value {
  number?: number;
  text?: string;
  truth?: boolean;
  integer?: string;
  texts?: { texts?: string[] };
}

export interface Row {
  modelId: string;
  values: Value[];
}

export interface Found {
  rows?: Row[];
  totalCount?: string;
  nowUs?: string;
}

export interface Field {
  field: string;
  numberCount?: string;
  textCount?: string;
  truthCount?: string;
  min?: number;
  max?: number;
  values?: Value[];
  hasMoreValues?: boolean;
}

export interface ModelGroup {
  keys?: Value[];
  modelCount?: string;
  aggregates?: { count?: string; min?: number; max?: number; mean?: number; deviation?: number }[];
}

export interface Groups {
  groups?: ModelGroup[];
  groupCount?: string;
  modelCount?: string;
}

export interface Model {
  id: string;
  experimentId: string;
  projectUid: string;
  hash: string;
  name?: string;
  description?: string;
  step?: string;
  configJson?: string;
  tags?: string[];
  status?: string;
  createdAtUs?: string;
  createdBy?: string;
  deletedAtUs?: string;
}

export interface Experiment {
  id: string;
  name: string;
  deletedAtUs?: string;
}

export interface Run {
  id: string;
  status?: string;
  startedAtUs: string;
  endedAtUs?: string;
  heartbeatAtUs: string;
  environment?: {
    rank?: number;
    host?: string;
    user?: string;
    command?: string;
    python?: string;
    gitCommit?: string;
    gitDirty?: boolean;
    // Not in lists.
    gitDiff?: string;
    jobJson?: string;
  };
  error?: string;
}

export interface ModelModule {
  id: string;
  name: string;
  attributesJson?: string;
}

export interface Version {
  id: string;
  artifactId: string;
  name: string;
  type: string;
  version: string;
  sizeBytes?: string;
  fileCount?: string;
  aliases?: string[];
  createdAtUs?: string;
  createdBy?: string;
  deletedAtUs?: string;
  links?: { modelId: string; step?: string }[];
  linkCount?: string;
  digest?: string;
  fingerprint?: string;
  description?: string;
  metadataJson?: string;
  usedVersionCount?: string;
  process?: { name: string; parts?: ProcessPart[] };
}

export interface ProcessPart {
  kind?: string;
  name: string;
  fingerprint?: string;
  text?: string;
}

// A version as its neighbours in lineage show it.
export interface VersionRef {
  versionId: string;
  name: string;
  type: string;
  version: string;
}

export interface Limits {
  limits: { undoKeptUs: string };
}

export interface Artifact {
  id: string;
  name: string;
  type: string;
  latest?: Version;
}

export interface ArtifactFile {
  path: string;
  type?: string;
  sizeBytes?: string;
  executable?: boolean;
  digest?: string;
}

export interface CacheEntry {
  fingerprint: string;
  version?: Version;
  completedAtUs?: string;
  durationUs?: string;
  hits?: string;
  expiresAtUs?: string;
}

export interface CacheStatistics {
  entryCount?: string;
  hits?: string;
  savedUs?: string;
  sizeBytes?: string;
}

// What was logged to be looked at or listened to, at a step.
export interface Media {
  versionId: string;
  name: string;
  kind?: string;
  step?: string;
  caption?: string;
  path: string;
  sizeBytes?: string;
}

export interface MediaName {
  name: string;
  count?: string;
  firstStep?: string;
  lastStep?: string;
}

export interface ConsolePiece {
  // In bytes of UTF-8.
  offset?: string;
  text: string;
}

export interface Console {
  pieces?: ConsolePiece[];
  nextOffset?: string;
  endOffset?: string;
}

export interface Alert {
  id: string;
  modelId: string;
  level?: string;
  title: string;
  text?: string;
  step?: string;
  atUs?: string;
  createdAtUs: string;
}
