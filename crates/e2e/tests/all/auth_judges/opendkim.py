# Says what OpenDKIM says of messages, in hex, a line each. Its only way to a key is the machine's resolver, so it runs where
# /etc/resolv.conf names an address at which this script answers: ADDRESS KEYS-FILE (`NAME TEXT` in each line).
import socket, subprocess, sys, threading
import dns.message, dns.rcode, dns.rrset

keys = dict(line.rstrip('\n').split(' ', 1) for line in open(sys.argv[2]))
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))


def serve():
    while True:
        octets, client = server.recvfrom(4096)
        asked = dns.message.from_wire(octets)
        answer = dns.message.make_response(asked)
        name = asked.question[0].name
        text = keys.get(name.to_text(True))
        if text is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            strings = ' '.join('"%s"' % text[at:at + 200] for at in range(0, len(text), 200))
            answer.answer.append(dns.rrset.from_text(name, 60, 'IN', 'TXT', strings))
        server.sendto(answer.to_wire(), client)


threading.Thread(target=serve, daemon=True).start()
for line in sys.stdin:
    message = bytes.fromhex(line).replace(b'\r\n', b'\n')
    done = subprocess.run(['opendkim-testmsg'], input=message, capture_output=True)
    print(done.returncode, (done.stdout + done.stderr).decode().replace('\n', ' '))
