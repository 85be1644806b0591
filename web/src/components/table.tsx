/* A table that sorts by the column whose heading is pressed. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ComponentChildren;
  order?: (row: Row) => number | string | null; /* without it the column doesn't sort */
  isNumber?: boolean;
}

export interface TableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string | number;
  rowClass?: (row: Row) => string | undefined;
  empty?: ComponentChildren;
}

interface Order { title: string; isDown: boolean }

/* What has no value comes last, whichever way. */
function sorted<Row>(rows: Row[], column: Column<Row> | undefined, isDown: boolean): Row[] {
  const value = column?.order;
  if (!value) return rows;
  return [...rows].sort((a, b) => {
    const x = value(a);
    const y = value(b);
    if (x == null || y == null) return Number(x == null) - Number(y == null);
    const difference = typeof x === 'string' ? x.localeCompare(String(y)) : x - Number(y);
    return isDown ? -difference : difference;
  });
}

export function Table<Row>({ label, columns, rows, rowKey, rowClass, empty }: TableProps<Row>) {
  const [order, setOrder] = useState<Order>();
  if (rows.length === 0 && empty) return <p class="hint">{empty}</p>;
  const by = columns.find((c) => c.title === order?.title);
  const press = (c: Column<Row>) =>
    setOrder({ title: c.title, isDown: order?.title === c.title ? !order.isDown : !!c.isNumber });
  const heading = (c: Column<Row>) => {
    const state = c === by ? (order!.isDown ? 'descending' : 'ascending') : undefined;
    return (
      <th key={c.title} scope="col" class={c.isNumber ? 'n' : ''} aria-sort={state}>
        {c.order ? <button type="button" class="sort" onClick={() => press(c)}>{c.title}</button> : c.title}
      </th>
    );
  };
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead><tr>{columns.map(heading)}</tr></thead>
        <tbody>{sorted(rows, by, !!order?.isDown).map((row) => (
          <tr key={rowKey(row)} class={rowClass?.(row)}>
            {columns.map((c) => <td key={c.title} class={c.isNumber ? 'n' : ''}>{c.cell(row)}</td>)}
          </tr>))}
        </tbody>
      </table>
    </div>
  );
}
