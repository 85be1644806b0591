// expect-exit: 107
// expect-stderr: error_metric.js:6:9: Error: metric 'twice' already exists with another type
import { Counter, Rate } from 'k6/metrics';

new Counter('twice');
new Rate('twice');
export default function () {}
