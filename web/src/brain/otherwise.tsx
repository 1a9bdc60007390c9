// SPDX-License-Identifier: Apache-2.0
// What stands in for a part that cannot be shown here; the rest of the page goes on.
import { Component, type ReactNode } from "react";

interface Props {
  instead: ReactNode;
  children: ReactNode;
}

export class Otherwise extends Component<Props, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    return this.state.failed ? this.props.instead : this.props.children;
  }
}
