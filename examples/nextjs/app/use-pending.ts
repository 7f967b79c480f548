import { useEffect, useState } from "react";

/** What is under way, until another page is there. Nothing is when the Back button shows this page as it was left. */
export function usePending<What>() {
  const [pending, setPending] = useState<What>();

  useEffect(() => {
    const forget = () => setPending(undefined);
    addEventListener("pageshow", forget);
    return () => removeEventListener("pageshow", forget);
  }, []);

  return [pending, setPending] as const;
}
