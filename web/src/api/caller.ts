/* Who is asking, and what the controller takes. The controller decides what may be done; the page has one rule beside
 * it: what would be refused is not there. A page that is nothing without it says why. */
import { call, get, Problem } from './client';
import type { Caller, Info, Role } from './types';

const RANKS: Role[] = ['viewer', 'runner', 'admin'];
const ANYBODY = '000000000000'; /* the API is open: nobody had to say who they are */

let info: Info | undefined;

/* Before a page is seen, so that nothing comes or goes in it. Who is not known may do nothing; the page's own questions
 * then tell what is wrong. */
export async function learnCaller() {
  info = await get<Info>('/info').catch(() => undefined);
}

export const caller = (): Caller | undefined => info?.caller;

/* The only run that may be seen, by a share link, or that there is; null: all of a controller's. */
export const onlyRun = (): string | null => info?.caller.run ?? info?.run ?? null;

/* The role, and more than the one run of a share. */
export const may = (role: Role): boolean =>
  !!info && !info.caller.run && RANKS.indexOf(info.caller.role) >= RANKS.indexOf(role);

export const isSignedIn = (): boolean => !!info && info.caller.id !== ANYBODY;

/* The most bytes of a script or an archive. */
export const uploadLimit = (): number => info?.limits.upload_bytes ?? Infinity;

export async function signOut() {
  try {
    await call('/session', { method: 'DELETE' });
  } catch (error) {
    if (!(error instanceof Problem)) throw error; /* the session is gone already */
  }
  location.href = '/';
}
