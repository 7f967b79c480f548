export type SettingName =
  | "NEXTAUTH_URL"
  | "TOLLHOUSE_URL"
  | "OIDC_CLIENT_ID"
  | "OIDC_CLIENT_SECRET"
  | "TOLLHOUSE_WEBHOOK_SECRET"
  | "PAYMENTS_FILE";

/** The setting's value. Read at use, never at build: one build serves every environment, and what is missing is named. */
export function setting(name: SettingName): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}
