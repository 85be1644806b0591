// Users that only wait.
import { sleep } from 'k6';
export default function () {
  sleep(1);
}
