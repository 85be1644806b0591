/* Debian's chromium, driven by playwright-core from WEB_MODULES (a folder with web/package-lock.json's modules). */
import { createRequire } from 'node:module';

export const require = createRequire(`${process.env.WEB_MODULES}/`);
const { chromium } = require('playwright-core');

export const launch = () => chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
