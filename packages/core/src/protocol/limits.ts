/** What one request may hold. The device never queues what the server would refuse for its size. */
export const protocolVersion = 1
/** Operations of one app transaction, enforced when it is written. */
export const transactionOperationsMax = 500
/** Bytes of one operation as JSON, enforced when it is written. */
export const operationBytesMax = 1_048_576
/** Bytes of one app transaction as JSON, enforced when it is written. */
export const transactionBytesMax = 4_194_304
/** Operations of one batch; a batch never cuts an app transaction. */
export const batchOperationsMax = 5_000
/** Bytes of a request's body, inflated. */
export const batchBytesMax = 8_388_608
/** Characters of a cursor: it grows with the number of a user's scopes. */
export const cursorLengthMax = 65_536
/** Characters of a shared text's document, which remembers who wrote and deleted what: about 40 for an edit, beside the text. */
export const documentLengthMax = 4_194_304
/** Rows of one page of a pull. */
export const pageRowsMax = 10_000
/** Bytes of the rows of one page, inflated, as the feed has them noted; a longer row is a page of its own. */
export const pageBytesMax = 8_388_608
/** How long, in milliseconds, a device keeps what has settled: what a server lost can be brought back for so long. */
export const settledKeptMs = 1_209_600_000
/** Open conflicts of one record. */
export const openConflictsMax = 100
/** Operations of one rescue file. */
export const rescueOperationsMax = 50_000
/** Bytes of a rescue file, inflated. */
export const rescueBytesMax = 33_554_432
