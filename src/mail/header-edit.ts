// What a rule changes in the header of a message on its way out.
// policy/ reads it from YAML, an entry of the queue keeps it, delivery applies it while the content is sent.
// Never touches what is in the spool: recipients of one message may have different edits.

export interface HeaderEdit {
  /** Put above the client's own fields, in this order. */
  readonly add: readonly { readonly name: string; readonly value: string }[];
  /** Names in lower case; every field of that name goes. */
  readonly remove: readonly string[];
}
