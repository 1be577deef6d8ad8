/** What is wrong, in a word that programs can read; the message says it in a sentence. */
export type ErrorKind =
  | "corrupt" // the file breaks a rule of the format
  | "truncated" // it ends early
  | "unsupported" // it needs a newer decoder
  | "limit" // it declares more than the limits allow
  | "unknown-set" // there is no model set of the identity it names
  | "model" // a model set is damaged
  | "argument"; // the caller asked for something that is not there

/** Any refusal of this package. Whatever else is thrown is a defect of it. */
export class TcxError extends Error {
  override readonly name = "TcxError";

  constructor(
    readonly kind: ErrorKind,
    message: string,
    /** Number of the tile that is concerned, if it is one. */
    readonly tile?: number,
  ) {
    super(message);
  }
}

/** Throw a `TcxError` unless `holds`. */
export function require(holds: boolean, kind: ErrorKind, message: string): asserts holds {
  if (!holds) throw new TcxError(kind, message);
}
