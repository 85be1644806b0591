/* What went wrong, as the controller says it; who is not known is asked for a token. */
import { useState } from 'preact/hooks';
import { Problem, signIn } from '../api/client';

function SignIn() {
  const [refused, setRefused] = useState('');
  const submit = (e: SubmitEvent) => {
    e.preventDefault();
    const token = String(new FormData(e.currentTarget as HTMLFormElement).get('token'));
    signIn(token).then(() => location.reload(), (error: Error) => setRefused(error.message));
  };
  return (
    <form class="card" onSubmit={submit}>
      {refused && <p role="alert">{refused}</p>}
      <label>The controller asks for its token <input name="token" type="password" autocomplete="off" required /></label>{' '}
      <button>Continue</button>
    </form>
  );
}

export function Failure({ error }: { error: unknown }) {
  if (!error) return null;
  if (error instanceof Problem && error.status === 401) return <SignIn />;
  const refusal = error instanceof Problem ? error.body.refusal ?? [] : [];
  return (
    <div class="problem" role="alert">
      {refusal.length > 0 ? <ul>{refusal.map((r) => <li key={r.region}>{r.message}</li>)}</ul>
        : <p>{error instanceof Error ? error.message : String(error)}</p>}
    </div>
  );
}
