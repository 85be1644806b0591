/* What depends on who is asking. */
import type { ComponentChildren } from 'preact';
import { caller, isSignedIn, may, signOut } from '../api/caller';
import type { Role } from '../api/types';

/* What needs a role; without it there is nothing. */
export const For = ({ role, children }: { role: Role; children: ComponentChildren }) => <>{may(role) && children}</>;

/* Instead of a page that is nothing without a role. */
export function NotForYou({ what, role }: { what: string; role: Role }) {
  const known = caller();
  if (!known) return null; /* whom the page asks for a token */
  const have = known.run ? 'A share link only shows its run.' : `${known.name} is a ${known.role}.`;
  return <p class="card">{what} needs the role {role}. {have}</p>;
}

export function WhoIsAsking() {
  const known = caller();
  if (!known || !isSignedIn()) return null;
  return (
    <span class="who">
      <span class="hint">{known.run ? 'by a share link' : `${known.name}, ${known.role}`}</span>
      <button type="button" class="quiet" onClick={() => void signOut()}>Sign out</button>
    </span>
  );
}
