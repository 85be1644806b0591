function inner() {
  throw new TypeError('from a module');
}
inner();
