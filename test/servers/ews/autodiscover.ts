/** Autodiscover as Exchange answers it: POX (MS-OXDSCLI) and SOAP (MS-OXWSADISC). */
import { escapeXml } from './xml.js';

/** What is told; null: as usual. */
export interface Autodiscovered {
  ewsUrl: string | null;
  redirectUrl: string | null;
  redirectAddress: string | null;
  error: string | null;
  /** False: only the newer form is there. */
  pox: boolean;
}

const OUTLOOK = 'http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a';
const RESPONSE = 'http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006';

export function autodiscoverPox(told: Autodiscovered, own: string): string {
  const account = (inner: string): string =>
    `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="${RESPONSE}"><Response xmlns="${OUTLOOK}">${inner}</Response></Autodiscover>`;
  if (told.error !== null)
    return `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="${RESPONSE}"><Response><Error Time="10:00:00.0000000" Id="1"><ErrorCode>${told.error}</ErrorCode><Message>The email address can't be found.</Message><DebugData/></Error></Response></Autodiscover>`;
  if (told.redirectUrl !== null)
    return account(
      `<Account><Action>redirectUrl</Action><RedirectUrl>${escapeXml(told.redirectUrl)}</RedirectUrl></Account>`,
    );
  if (told.redirectAddress !== null)
    return account(
      `<Account><Action>redirectAddr</Action><RedirectAddr>${escapeXml(told.redirectAddress)}</RedirectAddr></Account>`,
    );
  const url = escapeXml(told.ewsUrl ?? own);
  return account(
    `<User><DisplayName>Somebody</DisplayName></User><Account><AccountType>email</AccountType><Action>settings</Action><Protocol><Type>EXCH</Type><Server>internal</Server><EwsUrl>https://internal.invalid/EWS/Exchange.asmx</EwsUrl></Protocol><Protocol><Type>EXPR</Type><EwsUrl>${url}</EwsUrl></Protocol></Account>`,
  );
}

const AUTODISCOVER = 'http://schemas.microsoft.com/exchange/2010/Autodiscover';

export function autodiscoverSoap(told: Autodiscovered, own: string): string {
  const code =
    told.error !== null
      ? 'InvalidUser'
      : told.redirectUrl !== null
        ? 'RedirectUrl'
        : told.redirectAddress !== null
          ? 'RedirectAddress'
          : 'NoError';
  const target = told.redirectUrl ?? told.redirectAddress;
  const setting = (name: string, value: string): string =>
    `<UserSetting i:type="StringSetting"><Name>${name}</Name><Value>${escapeXml(value)}</Value></UserSetting>`;
  const settings =
    code === 'NoError'
      ? setting('ExternalEwsUrl', told.ewsUrl ?? own) +
        setting('InternalEwsUrl', 'https://internal.invalid/EWS/Exchange.asmx')
      : '';
  return `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetUserSettingsResponseMessage xmlns="${AUTODISCOVER}"><Response xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><ErrorCode>NoError</ErrorCode><ErrorMessage/><UserResponses><UserResponse><ErrorCode>${code}</ErrorCode><ErrorMessage>-</ErrorMessage>${target === null ? '<RedirectTarget i:nil="true"/>' : `<RedirectTarget>${escapeXml(target)}</RedirectTarget>`}<UserSettingErrors/><UserSettings>${settings}</UserSettings></UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>`;
}
