// SPDX-License-Identifier: Apache-2.0
// What this browser can do, and what the reader asked of it.
import { type RefObject, useEffect, useState } from "react";

export type Graphics = "none" | "software" | "hardware";

/** Names of renderers that draw without a graphics processor. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;
let known: Graphics | undefined;

/** What draws in 3D (WebGL 2): a graphics processor, the ordinary one slowly, or nothing. */
export function graphics(): Graphics {
  known ??= found();
  return known;
}

function found(): Graphics {
  try {
    const gl = document.createElement("canvas").getContext("webgl2");
    if (!gl) return "none";
    const name = gl.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL;
    const renderer = String(gl.getParameter(name ?? gl.RENDERER));
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    return SOFTWARE.test(renderer) ? "software" : "hardware";
  } catch {
    return "none";
  }
}

/** Whether nothing should move by itself. */
export function useStillness(): boolean {
  const [query] = useState(() => window.matchMedia("(prefers-reduced-motion: reduce)"));
  const [still, setStill] = useState(query.matches);
  useEffect(() => {
    const changed = () => setStill(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, [query]);
  return still;
}

/** Whether an element is on the screen or near it. */
export function useSeen(element: RefObject<Element | null>): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (!element.current) return;
    const observer = new IntersectionObserver(
      (entries) => setSeen(entries.some((entry) => entry.isIntersecting)),
      { rootMargin: "200px" },
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return seen;
}
