"""A release server for tests/install/test.sh: files of one directory on loopback.

Prints its port, logs every path asked for to the file given as second argument, and sends only
half of every file under /cut/ although it announces the whole length.
"""

import functools
import http.server
import os
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source, outputfile):
        if self.path.startswith("/cut/") and self.path.endswith(".tar.gz"):
            outputfile.write(source.read(os.path.getsize(source.name) // 2))
            self.close_connection = True
        else:
            super().copyfile(source, outputfile)

    def log_message(self, format, *args):
        with open(sys.argv[2], "a", encoding="utf-8") as log:
            print(self.path, file=log)


server = http.server.ThreadingHTTPServer(
    ("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1])
)
print(server.server_address[1], flush=True)
server.serve_forever()
