# Real servers on loopback, for demo.sh and static.sh: sourced, not run.
#
# `start_servers` takes an address of 127/8 and free ports of it: ADDRESS; two web sites on SHOP and WIKI, one with TLS on
# BANK, a greeting on MAIL. `stop_servers` ends them by their ids; call it from a trap on EXIT.

SERVER_IDS=()
SERVER_DIR=""

need_programs() {
    local program package missing=()
    PATH="$PATH:/usr/sbin:/sbin"
    for package in nginx-light:nginx openssl:openssl; do
        command -v "${package#*:}" > /dev/null || missing+=("${package%%:*}")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        "$(dirname "${BASH_SOURCE[0]}")/install.sh" "${missing[@]}"
    fi
}

# Whether something accepts connections.
listens() { (exec 3<> "/dev/tcp/$1/$2") 2> /dev/null; }

# The first of some ports of ADDRESS that is free: a server on 0.0.0.0 has its port on every address.
free_port() {
    local port
    for port in "$@"; do
        listens "$ADDRESS" "$port" || { echo "$port"; return; }
    done
    echo "all in use on $ADDRESS: $*" >&2
    return 1
}

write_site() {
    mkdir -p "$SERVER_DIR/$1"
    echo "<html><head><title>$2</title></head><body><h1>$2</h1></body></html>" > "$SERVER_DIR/$1/index.html"
}

start_servers() {
    need_programs
    ADDRESS="127.$((RANDOM % 200 + 20)).$((RANDOM % 250)).$((RANDOM % 250 + 1))"
    SHOP=$(free_port 8080 8081 8088)
    WIKI=$(free_port 8000 8008 8888)
    BANK=$(free_port 8443 9443)
    MAIL=$(free_port 2525 2526 2527)
    SERVER_DIR=$(mktemp -d)
    write_site shop "The corner shop"
    write_site wiki "Wiki of the house"
    write_site bank "Savings bank"
    printf 'User-agent: *\nDisallow: /admin/\nDisallow: /drafts/\n' > "$SERVER_DIR/shop/robots.txt"
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/O=Savings bank/CN=bank.example" \
        -addext "subjectAltName=DNS:bank.example,DNS:www.bank.example" \
        -keyout "$SERVER_DIR/tls.key" -out "$SERVER_DIR/tls.crt" 2> /dev/null
    cat > "$SERVER_DIR/nginx.conf" << CONF
daemon off; master_process off; pid $SERVER_DIR/nginx.pid;
events { worker_connections 256; }
http {
    access_log off; default_type text/html;
    client_body_temp_path $SERVER_DIR/a; proxy_temp_path $SERVER_DIR/b; fastcgi_temp_path $SERVER_DIR/c;
    uwsgi_temp_path $SERVER_DIR/d; scgi_temp_path $SERVER_DIR/e;
    server { listen $ADDRESS:$SHOP; root $SERVER_DIR/shop; }
    server { listen $ADDRESS:$WIKI; root $SERVER_DIR/wiki; server_tokens off; }
    server { listen $ADDRESS:$BANK ssl; root $SERVER_DIR/bank;
             ssl_certificate $SERVER_DIR/tls.crt; ssl_certificate_key $SERVER_DIR/tls.key; }
}
CONF
    nginx -p "$SERVER_DIR" -c "$SERVER_DIR/nginx.conf" -e "$SERVER_DIR/nginx.log" &
    SERVER_IDS+=($!)
    # Perl's base is part of every Debian; it greets as a mail server does, and hangs up.
    perl -MIO::Socket::INET -e '
        my $listener = IO::Socket::INET->new(LocalAddr => $ARGV[0], LocalPort => $ARGV[1], Listen => 64, ReuseAddr => 1) or die "$!";
        while (1) { my $peer = $listener->accept or next; print $peer "220 mail.example ESMTP ready\r\n"; close $peer; }
    ' "$ADDRESS" "$MAIL" &
    SERVER_IDS+=($!)
    local port
    for port in "$SHOP" "$WIKI" "$BANK" "$MAIL"; do
        wait_for "$port"
    done
}

# Until something listens on the port; no longer than the server lives, nor 30 seconds.
wait_for() {
    local id end=$((SECONDS + 30))
    until listens "$ADDRESS" "$1"; do
        for id in "${SERVER_IDS[@]}"; do
            kill -0 "$id" 2> /dev/null || { echo "a server ended at once:" >&2; cat "$SERVER_DIR/nginx.log" >&2; return 1; }
        done
        [ $SECONDS -lt $end ] || { echo "nothing listens on $ADDRESS:$1" >&2; return 1; }
    done
}

stop_servers() {
    local id
    for id in "${SERVER_IDS[@]}"; do
        kill "$id" 2> /dev/null || true
        wait "$id" 2> /dev/null || true
    done
    [ -z "$SERVER_DIR" ] || rm -rf "$SERVER_DIR"
}
