// SPDX-License-Identifier: Apache-2.0
// Every page and its address. What is heavy is loaded by the page that needs it.
import { lazy, Suspense } from "react";
import { Redirect, Route, Switch } from "wouter";
import { Frame } from "./frame";
import { ComparePage } from "./pages/compare";
import { NotFoundPage } from "./pages/not-found";
import { ResultPage } from "./pages/result";
import { ScansPage } from "./pages/scans";
import { SignInPage } from "./pages/sign-in";
import { UploadPage } from "./pages/upload";
import { can, Signed, useSession } from "./session";
import { StillOpen } from "./still-open";

const SharingPage = lazy(() => import("./pages/sharing"));
const LogPage = lazy(() => import("./pages/log"));

export function App() {
  return (
    <Signed signIn={(why) => <SignInPage why={why} />}>
      <Frame>
        <Suspense>
          <Switch>
            <Route path="/" component={HomePage} />
            <Route path="/imaging" component={HomePage} />
            <Route path="/upload" component={UploadPage} />
            <Route path="/imaging/:id">
              {({ id }) => (
                <StillOpen key={id} id={id}>
                  <ResultPage id={id} />
                </StillOpen>
              )}
            </Route>
            <Route path="/imaging/:id/compare/:other">
              {({ id, other }) => (
                <StillOpen key={`${id} ${other}`} id={id}>
                  <ComparePage id={id} other={other} />
                </StillOpen>
              )}
            </Route>
            <Route path="/sharing" component={SharingPage} />
            <Route path="/log" component={LogPage} />
            <Route component={NotFoundPage} />
          </Switch>
        </Suspense>
      </Frame>
    </Signed>
  );
}

/** An officer sees no scan, and begins with the log. */
function HomePage() {
  const session = useSession();
  const looks = can(session, "patient", "caregiver", "clinician");
  return !looks && can(session, "compliance") ? <Redirect to="/log" /> : <ScansPage />;
}
