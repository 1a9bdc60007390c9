// SPDX-License-Identifier: Apache-2.0
// Nobody there? A minute before the end a page says so; pages of one browser count together.
import { useCallback, useEffect, useRef, useState } from "react";
import { messages } from "./messages/en";
import { Dialog } from "./parts/dialog";

export interface Idle {
  /** Seconds that are left, once it is time to say so. */
  left: number | null;
  stay: () => void;
}

const CHANNEL = "memoryguard.touched";
const TOUCHES = ["pointerdown", "keydown", "wheel", "touchstart"] as const;
const WARN_S = 60;
const TELL_MS = 5_000;

/** Count down to `then` while nobody touches any page. */
export function useIdle(minutes: number | null, then: () => void): Idle {
  const [left, setLeft] = useState<number | null>(null);
  const stayed = useRef<() => void>(() => undefined);
  useEffect(() => {
    if (minutes === null) return;
    const clock = new Countdown(minutes, setLeft, then);
    stayed.current = clock.touched;
    return clock.stop;
  }, [minutes, then]);
  return { left, stay: useCallback(() => stayed.current(), []) };
}

/** The clock of one page. It compares times, since a sleeping computer's timers stand still. */
class Countdown {
  private readonly idleMs: number;
  private readonly channel = new BroadcastChannel(CHANNEL);
  private readonly timer: number;
  private last = Date.now();
  private told = Date.now();
  private kept = Date.now();
  private warned = false;

  constructor(
    minutes: number,
    private readonly show: (left: number | null) => void,
    private readonly then: () => void,
  ) {
    this.idleMs = minutes * 60_000;
    this.timer = window.setInterval(this.tick, 1000);
    this.channel.onmessage = this.heard;
    for (const touch of TOUCHES) window.addEventListener(touch, this.seen, { passive: true });
  }

  readonly stop = () => {
    window.clearInterval(this.timer);
    this.channel.close();
    for (const touch of TOUCHES) window.removeEventListener(touch, this.seen);
    this.show(null);
  };

  /** Somebody is there, and says so. */
  readonly touched = () => {
    const now = Date.now();
    this.heard();
    if (now - this.told > TELL_MS) {
      this.told = now;
      this.channel.postMessage(null);
    }
    if (now - this.kept > this.idleMs / 2) {
      this.kept = now; // requests carry the token; the session itself lives by its cookie
      void fetch("/api/v1/sessions").catch(() => undefined);
    }
  };

  /** A touch, unless the warning stands: that is answered by its button alone. */
  private readonly seen = () => {
    if (!this.warned) this.touched();
  };

  private readonly heard = () => {
    this.last = Date.now();
    this.warned = false;
    this.show(null);
  };

  private readonly tick = () => {
    const left = Math.ceil((this.last + this.idleMs - Date.now()) / 1000);
    if (left <= 0) {
      this.stop();
      this.then();
    } else if (left <= WARN_S) {
      this.warned = true;
      this.show(left);
    }
  };
}

export function IdleWarning({ left, stay }: Idle) {
  const words = messages.idle;
  if (left === null) return null;
  return (
    <Dialog title={words.title} close={stay}>
      <p role="timer">{words.left(left)}</p>
      <p>
        <button type="button" onClick={stay}>
          {words.stay}
        </button>
      </p>
    </Dialog>
  );
}
