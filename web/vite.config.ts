// SPDX-License-Identifier: Apache-2.0
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const platform = process.env["MEMORYGUARD_URL"] ?? "http://127.0.0.1:8470";

export default defineConfig({
  plugins: [react()],
  build: {
    // Into the package of the service that serves it, so that a wheel carries it.
    outDir: "../services/api/src/memoryguard/api/app",
    emptyOutDir: true,
    // A data: address would need a wider content security policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
  },
  server: { proxy: Object.fromEntries(["/api", "/dicom-web", "/s/"].map((p) => [p, platform])) },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
});
