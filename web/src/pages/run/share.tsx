/* Hands a run on: by a link, or as a file. */
import { useState } from 'preact/hooks';
import { create } from '../../api/client';
import type { Run, ShareCreated } from '../../api/types';
import { Dialog } from '../../components/dialog';
import { Failure } from '../../components/failure';
import { date } from '../../components/format';

const DAYS = [1, 7, 30, 365];

function Link({ label, link }: { label: string; link: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(link).then(() => setCopied(true), () => {});
  return (
    <label class="block">{label}
      <span class="row">
        <input class="wide" readOnly value={link} onFocus={(e) => e.currentTarget.select()} />
        {navigator.clipboard && <button type="button" onClick={copy}>{isCopied ? 'Copied' : 'Copy'}</button>}
      </span>
    </label>
  );
}

/* The address as it is now, with the token of the share behind its #. */
const sharedLink = (token: string) => `${location.href.split('#')[0]}#share=${token}`;

export function ShareButton({ run }: { run: Run }) {
  const [isOpen, setOpen] = useState(false);
  const [share, setShare] = useState<ShareCreated>();
  const [error, setError] = useState<unknown>();
  const make = (e: SubmitEvent) => {
    e.preventDefault();
    const days = Number(new FormData(e.currentTarget as HTMLFormElement).get('days'));
    create<ShareCreated>(`/runs/${run.id}/shares`, { expires_in_days: days || null }).then(setShare, setError);
  };
  const close = () => {
    setOpen(false);
    setShare(undefined);
    setError(undefined);
  };
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>Share</button>
      <Dialog title="Share this run" isOpen={isOpen} onClose={close}>
        <Link label="What you see, for who may sign in here" link={location.href} />
        {share?.token
          ? <><Link label="For anybody who has it" link={sharedLink(share.token)} />
            <p class="hint">{share.expires_at ? `Until ${date(share.expires_at)}.` : 'For ever.'} It is shown this once.</p></>
          : (
            <form onSubmit={make}>
              <label>A link for anybody, for <select name="days">
                {DAYS.map((d) => <option key={d} value={d} selected={d === 30}>{d === 1 ? 'a day' : `${d} days`}</option>)}
                <option value="0">ever</option>
              </select></label>{' '}
              <button>Make it</button>
            </form>)}
        <Failure error={error} />
        <p class="row"><button type="button" onClick={close}>Close</button></p>
      </Dialog>
    </>
  );
}

const FORMATS: [string, string][] = [
  ['html', 'Report (HTML, one file)'], ['json', 'All numbers (JSON)'], ['csv', 'Table by the second (CSV)'], ['junit', 'For CI (JUnit XML)'],
];

export function DownloadMenu({ run }: { run: Run }) {
  return (
    <details class="menu"><summary class="button">Download</summary>
      <ul>{FORMATS.map(([format, text]) => (
        <li key={format}><a href={`/api/v1/runs/${run.id}/export/${format}`} download>{text}</a></li>))}</ul>
    </details>
  );
}
