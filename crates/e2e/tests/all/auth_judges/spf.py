# Says what pyspf says of each case. In: `zone LINE` (as in testkit::dns::FakeDns), `case CLIENT HELO SENDER`, `reset`. Out: a line for each case.
import sys, ipaddress, warnings
warnings.simplefilter('ignore')
import spf

zone = {}
FAILURES = ('NXDOMAIN', 'NODATA', 'SERVFAIL', 'TIMEOUT')


def reverse(name):
    try:
        return ipaddress.ip_address(name).reverse_pointer
    except ValueError:
        return name.lower().rstrip('.')


def take(line):
    name, kind, *rest = line.split(None, 2)
    zone.setdefault(reverse(name), []).append((kind, rest[0] if rest else ''))


def value(kind, text):
    if kind == 'TXT':
        return [text.strip('"').encode()]
    if kind == 'MX':
        preference, host = text.split()
        return (int(preference), host)
    return text


def look_up(name, kind, strict=True, timeout=0):
    asked, name = name, name.lower().rstrip('.')
    for _ in range(9):
        lines = zone.get(name, [])
        target = [text for known, text in lines if known == 'CNAME']
        if not target:
            break
        name = target[0].lower().rstrip('.')
    else:
        raise spf.TempError('CNAME chain too long')
    found = [text for known, text in lines if known == kind and text not in FAILURES]
    if found:
        return [((asked, kind), value(kind, text)) for text in found]
    said = [text or known for known, text in lines if known in FAILURES or known == kind]
    if any(word in ('SERVFAIL', 'TIMEOUT') for word in said):
        raise spf.TempError('DNS')
    return []


spf.DNSLookup = look_up
for line in sys.stdin.read().splitlines():
    word, _, rest = line.partition(' ')
    if word == 'reset':
        zone.clear()
    elif word == 'zone':
        take(rest)
    elif word == 'case':
        client, helo, sender = rest.split(' ')
        try:
            result = spf.query(client, sender, helo, receiver='mx.here.test').check()[0]
        except Exception as error:
            result = 'raises-' + type(error).__name__
        print(result)
