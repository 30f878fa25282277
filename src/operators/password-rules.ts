const passwordLengthMin = 12;
const passwordLengthMax = 256;

/** The commonest that are long enough to be chosen here; what is made of too few characters is found by counting. */
const common: ReadonlySet<string> = new Set([
  'administrator',
  'changeme1234',
  'changemechangeme',
  'correcthorsebatterystaple',
  'letmeinletmein',
  'iloveyouiloveyou',
  'mypassword123',
  'password1234',
  'password12345',
  'password123456',
  'passwordpassword',
  'qwertyuiopasdf',
  'qwertyuiop123',
  'qwertyuiop[]',
  'qwerty123456',
  '1q2w3e4r5t6y',
  '1qaz2wsx3edc',
  'welcome12345',
  'adminadminadmin',
  'trustno1trustno1',
]);
const rows = ['abcdefghijklmnopqrstuvwxyz', '01234567890123456789', 'qwertyuiopasdfghjklzxcvbnm'];

/**
 * What is wrong with a password that somebody chose, or null. Length counts, and what everybody tries first is refused;
 * nothing is asked about kinds of characters (NIST SP 800-63B §5.1.1.2).
 */
export function passwordFault(password: string, operator: string): string | null {
  const length = [...password].length;
  if (length < passwordLengthMin) return `the password has at least ${passwordLengthMin} characters`;
  if (length > passwordLengthMax) return `the password has at most ${passwordLengthMax} characters`;
  const lower = password.toLowerCase();
  if (common.has(lower) || rows.some((row) => `${row}${row}`.includes(lower)))
    return 'this password is among those that are tried first';
  if (new Set(lower).size < 5) return 'the password has at least five different characters';
  const name = operator.toLowerCase();
  const rest = lower.replaceAll(name, '').replaceAll('countersign', '').replaceAll('password', '');
  if (rest.length < passwordLengthMin / 2)
    return 'the password is more than the name, "countersign" or "password" with something behind';
  return null;
}
