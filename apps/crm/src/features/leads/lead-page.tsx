import type { DeviceRow } from '@holdfast/core'
import { ConflictNotice } from '@holdfast/react/conflicts'
import { RecordHistory } from '@holdfast/react/history'
import { RefusalNotice } from '@holdfast/react/inbox'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { type ReactNode, useRef } from 'react'
import { useRow, useWrite } from '../../hooks.ts'
import { type Crm, stages } from '../../schema.ts'
import { Icon } from '../../ui/icon.tsx'
import { Page } from '../../ui/page.tsx'
import { useToast } from '../../ui/toast.tsx'
import { CallForm } from '../calls/call-form.tsx'
import { CallList } from '../calls/call-list.tsx'
import { MergeLink } from '../conflicts/merge-link.tsx'
import { markOf, useAskedLeads } from '../conflicts/use-asked-leads.ts'
import { InboxLink } from '../inbox/inbox-link.tsx'
import { crmWords } from './crm-words.ts'
import { GiveLeadDialog } from './give-lead-dialog.tsx'
import { LeadMissing } from './lead-missing.tsx'
import styles from './lead-page.module.css'
import { budgetText, dateTimeText, type Stage, sourceNames, stageNames } from './lead-words.ts'
import { PersonName } from './person-name.tsx'
import { FieldMark, SyncWord } from './sync-mark.tsx'

type ShownLead = DeviceRow<Crm['collections']['leads']>

export function LeadPage(): ReactNode {
  const { id } = useParams({ from: '/leads/$id' })
  const { row, status } = useRow('leads', id)
  const asked = useAskedLeads()
  if (row === null) return <LeadMissing id={id} status={status} />
  const mark = markOf(row, asked)
  return (
    <Page
      title={row.name}
      below={
        <>
          {mark === 'refused' ? (
            <Link to="/inbox">
              <SyncWord sync={mark} />
            </Link>
          ) : (
            <SyncWord sync={mark} />
          )}
          <FieldMark field="name" pending={row.$pending} />
        </>
      }
      back={{ link: { to: '/leads' }, text: 'Leads' }}
    >
      <RefusalNotice collection="leads" record={row.id} words={crmWords} InboxLink={InboxLink} />
      <ConflictNotice collection="leads" record={row.id} words={crmWords} MergeLink={MergeLink} />
      <Actions lead={row} />
      <div className={styles.columns}>
        <Facts lead={row} />
        <section className={`panel ${styles.calls}`} aria-labelledby="calls-title">
          <h2 id="calls-title">Calls</h2>
          <CallForm key={row.id} lead={row.id} />
          <CallList lead={row.id} />
        </section>
      </div>
      <section className={`panel ${styles.history}`} aria-labelledby="history-title">
        <h2 id="history-title">History</h2>
        <RecordHistory collection="leads" record={row.id} words={crmWords} />
      </section>
    </Page>
  )
}

function Actions({ lead }: { readonly lead: ShownLead }): ReactNode {
  const write = useWrite()
  const navigate = useNavigate()
  const showToast = useToast()
  const give = useRef<HTMLDialogElement>(null)

  async function remove(): Promise<void> {
    const deletion = write((db) => db.leads.delete(lead.id))
    await navigate({ to: '/leads' }) // Before the page can see that its lead is gone.
    await deletion
    showToast({
      text: (
        <>
          Deleted <bdi>{lead.name}</bdi>
        </>
      ),
      undo: () => void deletion.undo(),
    })
  }

  return (
    <div className={styles.actions}>
      <Link to="/leads/$id/edit" params={{ id: lead.id }} className="button">
        <Icon name="edit" />
        <span>
          Edit<span className={styles.rest}> lead</span>
        </span>
      </Link>
      <button
        type="button"
        className="button"
        onClick={() => void write((db) => db.leads.increment(lead.id, { visits: 1 }))}
      >
        <Icon name="visit" />
        Add visit
      </button>
      <button type="button" className="button" onClick={() => give.current?.showModal()}>
        <Icon name="give" mirrored />
        <span>
          Give<span className={styles.rest}> to another agent</span>
        </span>
      </button>
      <button type="button" className="button danger" onClick={() => void remove()}>
        <Icon name="trash" />
        <span>
          Delete<span className={styles.rest}> lead</span>
        </span>
      </button>
      <GiveLeadDialog dialog={give} lead={lead} />
    </div>
  )
}

function Facts({ lead }: { readonly lead: ShownLead }): ReactNode {
  const write = useWrite()
  const mark = (field: string): ReactNode => <FieldMark field={field} pending={lead.$pending} />
  return (
    <section className={`panel ${styles.facts}`} aria-label="Details">
      <div className="field">
        <span className={styles.label}>
          <label htmlFor="lead-stage">Stage</label>
          {mark('stage')}
        </span>
        <select
          id="lead-stage"
          className="input"
          value={lead.stage}
          onChange={(event) => {
            const stage = stages.find((known) => known === event.target.value)
            if (stage !== undefined) void write((db) => db.leads.update(lead.id, { stage }))
          }}
        >
          {stages.map((stage: Stage) => (
            <option key={stage} value={stage}>
              {stageNames[stage]}
            </option>
          ))}
        </select>
      </div>
      <dl>
        <Fact label="Phone" mark={mark('phone')}>
          {lead.phone !== '' && (
            <a href={`tel:${lead.phone}`}>
              <bdi dir="ltr">{lead.phone}</bdi>
            </a>
          )}
        </Fact>
        <Fact label="Email" mark={mark('email')}>
          {lead.email !== '' && (
            <a href={`mailto:${lead.email}`}>
              <bdi dir="ltr">
                <Email address={lead.email} />
              </bdi>
            </a>
          )}
        </Fact>
        <Fact label="Budget" mark={mark('budget')}>
          {budgetText(lead.budget)}
        </Fact>
        <Fact label="District" mark={mark('district')}>
          <bdi>{lead.district}</bdi>
        </Fact>
        <Fact label="Source" mark={mark('source')}>
          {sourceNames[lead.source]}
        </Fact>
        <Fact label="Visits" mark={mark('visits')}>
          {lead.visits}
        </Fact>
        <Fact label="Agent" mark={mark('owner')}>
          <PersonName user={lead.owner} />
        </Fact>
        <Fact label="Created">{dateTimeText(lead.createdAt)}</Fact>
        <Fact label="Changed">{dateTimeText(lead.updatedAt)}</Fact>
        <Fact label="Notes" mark={mark('notes')} wide>
          <span dir="auto" className={styles.notes}>
            {lead.notes}
          </span>
        </Fact>
      </dl>
    </section>
  )
}

/** A long address breaks before its @, not in the middle of a word. */
function Email({ address }: { readonly address: string }): ReactNode {
  const at = Math.max(0, address.lastIndexOf('@'))
  return (
    <>
      {address.slice(0, at)}
      <wbr />
      {address.slice(at)}
    </>
  )
}

interface FactProps {
  readonly label: string
  readonly mark?: ReactNode
  readonly wide?: boolean
  readonly children: ReactNode
}

function Fact({ label, mark, wide = false, children }: FactProps): ReactNode {
  return (
    <div className={wide ? styles.wide : undefined}>
      <dt>
        {label}
        {mark}
      </dt>
      <dd>{children}</dd>
    </div>
  )
}
