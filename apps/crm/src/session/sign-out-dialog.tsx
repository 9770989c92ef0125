import { type ReactNode, type RefObject, useEffect, useRef, useState } from 'react'
import { useSignOut, useSyncStatus } from '../hooks.ts'
import { Dialog } from '../ui/dialog.tsx'
import { download } from '../ui/download.ts'
import { clientOf } from './clients.ts'
import { endSession, useSession } from './session.ts'

/** Signing out destroys nothing by itself: what the server has not settled stays on the device, or goes by an answer of its own. */
export function SignOutDialog({ dialog }: { readonly dialog: RefObject<HTMLDialogElement | null> }): ReactNode {
  const status = useSyncStatus()
  const signOut = useSignOut()
  const [busy, setBusy] = useState(false)
  const [isAsking, setIsAsking] = useState(false)
  const [failure, setFailure] = useState<string | null>(null)
  const deletion = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    // The button that asked has gone.
    if (isAsking) deletion.current?.focus()
  }, [isAsking])
  const waiting = (status?.pending ?? 0) + (status?.refused ?? 0)
  const changes = waiting === 1 ? '1 change' : `${waiting} changes`
  const isOffline = status?.kind === 'offline' || !navigator.onLine

  async function leave(what: 'keep' | 'discard'): Promise<void> {
    if (busy) return
    setBusy(true)
    setFailure(null)
    try {
      const { kept } = await signOut({ waiting: what })
      endSession(kept)
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error))
      setBusy(false)
    }
  }

  return (
    <Dialog dialog={dialog} title="Sign out" onClose={() => setIsAsking(false)}>
      {isOffline && (
        <p>
          <strong>There is no connection.</strong> Signing in again needs one, for anybody: until then this app cannot
          be used on this device.
        </p>
      )}
      {waiting === 0 ? (
        <p>Everything has reached the server. The leads on this device are deleted.</p>
      ) : isAsking ? (
        <p>
          <strong>{changes} that the server has not taken will be lost for good.</strong> Export them first if anybody
          may need them.
        </p>
      ) : (
        <p>
          {changes} {waiting === 1 ? 'has' : 'have'} not reached the server. They are kept on this device and are sent
          when you sign in here again.
        </p>
      )}
      <p role="alert" className="problem">
        {failure}
      </p>
      <div className="actions">
        {isAsking && waiting > 0 ? (
          <button
            ref={deletion}
            type="button"
            className="button danger"
            aria-disabled={busy}
            onClick={() => void leave('discard')}
          >
            Delete {changes} and sign out
          </button>
        ) : (
          <button type="button" className="button primary" aria-disabled={busy} onClick={() => void leave('keep')}>
            Sign out
          </button>
        )}
        <button type="button" className="button" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
      </div>
      {waiting > 0 && (
        <div className="actions">
          <ExportWaiting />
          {!isAsking && (
            <button type="button" className="button danger" onClick={() => setIsAsking(true)}>
              Delete them instead…
            </button>
          )}
        </div>
      )}
    </Dialog>
  )
}

function ExportWaiting(): ReactNode {
  const session = useSession()
  const [said, setSaid] = useState('')

  async function save(): Promise<void> {
    if (session === null) return
    // Asked for here: a client that is waited for while rendering would hide the whole page.
    const client = await clientOf(session)
    const files = await client.rescue.export()
    for (const { name, text } of files) download(name, text)
    setSaid(`Saved as ${files.map(({ name }) => name).join(', ')}.`)
  }

  return (
    <>
      <button type="button" className="button" onClick={() => void save()}>
        Export them
      </button>
      <p role="status" className="dim">
        {said}
      </p>
    </>
  )
}
