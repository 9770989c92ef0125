import { type ReactNode, type RefObject, useState } from 'react'
import { useSignOut, useSyncStatus } from '../hooks.ts'
import { Dialog } from '../ui/dialog.tsx'
import { endSession } from './session.ts'

/** Signing out destroys nothing: what the server has not settled stays on the device, and this says so before. */
export function SignOutDialog({ dialog }: { readonly dialog: RefObject<HTMLDialogElement | null> }): ReactNode {
  const status = useSyncStatus()
  const signOut = useSignOut()
  const [busy, setBusy] = useState(false)
  const waiting = (status?.pending ?? 0) + (status?.refused ?? 0)

  async function leave(): Promise<void> {
    setBusy(true)
    const { kept } = await signOut()
    endSession(kept)
  }

  return (
    <Dialog dialog={dialog} title="Sign out">
      {waiting === 0 ? (
        <p>Everything has reached the server. The leads on this device are deleted.</p>
      ) : (
        <p>
          {waiting === 1 ? '1 change has' : `${waiting} changes have`} not reached the server. They are kept on this
          device and are sent when you sign in here again.
        </p>
      )}
      <div className="actions">
        <button type="button" className="button primary" aria-disabled={busy} onClick={() => void (busy || leave())}>
          Sign out
        </button>
        <button type="button" className="button" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
      </div>
    </Dialog>
  )
}
