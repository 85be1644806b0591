export const load = (path) => open(path);
