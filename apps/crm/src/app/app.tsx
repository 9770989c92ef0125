import { RouterProvider } from '@tanstack/react-router'
import { type ReactNode, useEffect, useState } from 'react'
import { Provider } from '../hooks.ts'
import { router } from '../router.tsx'
import { clientOf } from '../session/clients.ts'
import { type Session, useSession } from '../session/session.ts'
import { SignInPage } from '../session/sign-in-page.tsx'
import { ToastProvider } from '../ui/toast.tsx'
import { InsecurePage } from './insecure-page.tsx'
import { OpenFailedPage } from './open-failed-page.tsx'
import { UpdateNotice } from './update-notice.tsx'

export function App(): ReactNode {
  const session = useSession()
  if (!window.isSecureContext) return <InsecurePage />
  return (
    <>
      {session === null ? <SignInPage /> : <SignedIn key={session.person.user} session={session} />}
      <UpdateNotice />
    </>
  )
}

function SignedIn({ session }: { readonly session: Session }): ReactNode {
  const client = clientOf(session)
  const [failure, setFailure] = useState<unknown>(null)
  useEffect(() => {
    client.catch(setFailure)
  }, [client])
  if (failure !== null) return <OpenFailedPage failure={failure} />
  return (
    <Provider client={client} user={session.person.user}>
      <ToastProvider>
        <RouterProvider router={router} />
      </ToastProvider>
    </Provider>
  )
}
