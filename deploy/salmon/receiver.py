"""What a blog without Salmon of its own needs: takes what the relay verified, and shows it.

    HUBBUB_SECRET=... python3 receiver.py [PORT]     # the account's "secret" and "callback" at the relay
"""
import hashlib, hmac, json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ["HUBBUB_SECRET"].encode()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 4 << 20))
        expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, self.headers.get("X-Hub-Signature", "")):
            return self.answer(403)
        slap = json.loads(body)
        # The relay has made sure of the author and keeps each slap until this answers 2xx. It may come twice: by its id.
        who = slap["author"].get("name") or slap["author"]["subject"]
        print(who, slap["verb"], slap.get("in_reply_to") or slap.get("object") or slap.get("id"), flush=True)
        # For a join: 204 lets the member in, 403 does not.
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8090
    server = HTTPServer(("127.0.0.1", port), Receiver)
    print(f"receiving on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
