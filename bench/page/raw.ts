/** The bare worker as the page holds it. */
import type { RawAnswer, RawRequest } from './raw-request.ts'

export interface Raw {
  ask(request: RawRequest): Promise<string>
  end(): void
}

export function startRaw(): Raw {
  const worker = new Worker(new URL('./raw.worker.ts', import.meta.url), { type: 'module' })
  const waiting: { readonly resolve: (text: string) => void; readonly reject: (error: Error) => void }[] = []
  worker.onmessage = ({ data }: MessageEvent<RawAnswer>) => {
    const asked = waiting.shift()
    if (data.kind === 'done') asked?.resolve(data.text)
    else asked?.reject(new Error(data.problem))
  }
  worker.onerror = (event) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(event.message))
  }
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject })
        worker.postMessage(request)
      }),
    end: () => worker.terminate(),
  }
}
