/* A question that must be answered before anything else. Escape closes it. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';

interface DialogProps { title: string; isOpen: boolean; onClose: () => void; children: ComponentChildren }

export function Dialog({ title, isOpen, onClose, children }: DialogProps) {
  const box = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    if (isOpen && !box.current!.open) box.current!.showModal();
    if (!isOpen && box.current!.open) box.current!.close();
  }, [isOpen]);
  return (
    <dialog ref={box} aria-labelledby={heading} onClose={onClose}>
      <h2 id={heading}>{title}</h2>
      {isOpen && children}
    </dialog>
  );
}
