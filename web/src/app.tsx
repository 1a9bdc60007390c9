// SPDX-License-Identifier: Apache-2.0
// Every page and its address. What is heavy is loaded by the page that needs it.
import { Route, Switch } from "wouter";
import { Frame } from "./frame";
import { ComparePage } from "./pages/compare";
import { NotFoundPage } from "./pages/not-found";
import { ResultPage } from "./pages/result";
import { ScansPage } from "./pages/scans";
import { SignInPage } from "./pages/sign-in";
import { UploadPage } from "./pages/upload";
import { Signed } from "./session";

export function App() {
  return (
    <Signed signIn={(idle) => <SignInPage idle={idle} />}>
      <Frame>
        <Switch>
          <Route path="/" component={ScansPage} />
          <Route path="/imaging" component={ScansPage} />
          <Route path="/upload" component={UploadPage} />
          <Route path="/imaging/:id">{({ id }) => <ResultPage key={id} id={id} />}</Route>
          <Route path="/imaging/:id/compare/:other">
            {({ id, other }) => <ComparePage key={`${id} ${other}`} id={id} other={other} />}
          </Route>
          <Route component={NotFoundPage} />
        </Switch>
      </Frame>
    </Signed>
  );
}
