/* What went wrong, as the controller says it; who is not known is asked for a token. */
import { Problem, setToken } from '../api/client';

function SignIn() {
  const submit = (e: SubmitEvent) => {
    e.preventDefault();
    setToken(String(new FormData(e.currentTarget as HTMLFormElement).get('token')));
    location.reload();
  };
  return (
    <form class="card" onSubmit={submit}>
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
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {refusal.length > 0 && <ul>{refusal.map((r) => <li key={r.region}><b>{r.region ?? 'the fleet'}</b> {r.message}</li>)}</ul>}
    </div>
  );
}
