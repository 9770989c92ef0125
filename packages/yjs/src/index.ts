/** @module @holdfast/yjs — collaborative text: the one type of `t.shared`, over Yjs. */
export { yText } from './y-text.ts'
