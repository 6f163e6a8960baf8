#!/usr/bin/env python3
"""Reads reports with programs that are not ours, and checks that they see what is there.

    readers.py xml REPORT.xml --hosts N --up N --ports N --udp N --scripts N --macs N --hops N
    readers.py jsonl REPORT.jsonl docs/report.schema.json

The first reads with python-libnmap and python-nmap, the second validates every line with jsonschema.
Needs: pip install python-libnmap python-nmap jsonschema
Counts: hosts in the file, hosts up, ports listed one by one, those of UDP, scripts below ports and hosts, hardware
addresses, hops of routes that answered.
"""

import argparse
import ipaddress
import json
import sys
import xml.etree.ElementTree as ElementTree


def check(what, expected, seen):
    """Ends the program if a reader saw something else than there is."""
    if expected != seen:
        sys.exit(f"{what}: expected {expected!r}, seen {seen!r}")


def structure_in_file(path):
    """(script id, keys of its table and elem children), for each script with keyed children, in order."""
    found = []
    for host in ElementTree.parse(path).getroot().iter("host"):
        for script in host.iter("script"):
            keys = {child.get("key") for child in script if child.get("key") is not None}
            if keys:
                found.append((script.get("id"), sorted(keys)))
    return sorted(found)


def check_routes(path, counts):
    """Routes, which neither reader has a place for: hops go outward, each with an address and a time."""
    seen = 0
    for trace in ElementTree.parse(path).getroot().iter("trace"):
        hops = trace.findall("hop")
        distances = [int(hop.get("ttl")) for hop in hops]
        check("trace: distances", sorted(set(distances)), distances)
        for hop in hops:
            ipaddress.ip_address(hop.get("ipaddr"))
            if hop.get("rtt") != "--":
                float(hop.get("rtt"))
        seen += len(hops)
    check("trace: hops", counts.hops, seen)


def check_libnmap(path, counts):
    """python-libnmap: hosts, services, scripts and the structure of their output."""
    from libnmap.parser import NmapParser

    report = NmapParser.parse_fromfile(path)
    check("libnmap: hosts", counts.hosts, len(report.hosts))
    check("libnmap: hosts up", counts.up, sum(host.is_up() for host in report.hosts))
    check("libnmap: hosts_up of runstats", counts.up, report.hosts_up)
    check("libnmap: ports", counts.ports, sum(len(host.services) for host in report.hosts))
    udp = [service for host in report.hosts for service in host.services if service.protocol == "udp"]
    check("libnmap: ports of UDP", counts.udp, len(udp))
    check("libnmap: hardware addresses", counts.macs, sum(host.mac != "" for host in report.hosts))
    scripts = [script for host in report.hosts for script in host.scripts_results]
    scripts += [script for host in report.hosts for service in host.services for script in service.scripts_results]
    check("libnmap: scripts", counts.scripts, len(scripts))
    seen = [(s["id"], sorted(key for key in s["elements"] if key is not None)) for s in scripts]
    check("libnmap: structure", structure_in_file(path), sorted(pair for pair in seen if pair[1]))


def check_nmap(path, counts):
    """python-nmap: hosts, ports and scripts, as the dictionary it makes."""
    import nmap

    with open(path, encoding="utf-8") as report:
        # The class looks for the nmap program when made, which reading does not need.
        scanner = nmap.PortScanner.__new__(nmap.PortScanner)
        seen = scanner.analyse_nmap_xml_scan(report.read())
    hosts = seen["scan"].values()
    check("python-nmap: hosts", counts.hosts, len(hosts))
    check("python-nmap: hosts up", counts.up, sum(host["status"]["state"] == "up" for host in hosts))
    check("python-nmap: uphosts", str(counts.up), seen["nmap"]["scanstats"]["uphosts"])
    protocols = ("tcp", "udp", "sctp", "ip")
    ports = [port for host in hosts for protocol in protocols for port in host.get(protocol, {}).values()]
    check("python-nmap: ports", counts.ports, len(ports))
    check("python-nmap: ports of UDP", counts.udp, sum(len(host.get("udp", {})) for host in hosts))
    check("python-nmap: hardware addresses", counts.macs, sum("mac" in host["addresses"] for host in hosts))
    scripts = sum(len(port.get("script", {})) for port in ports) + sum(len(host.get("hostscript", [])) for host in hosts)
    check("python-nmap: scripts", counts.scripts, scripts)


def check_json_lines(path, schema_path):
    """jsonschema: the schema is one, and every line follows it."""
    import jsonschema

    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    with open(path, encoding="utf-8") as report:
        for number, line in enumerate(report, 1):
            error = jsonschema.exceptions.best_match(validator.iter_errors(json.loads(line)))
            if error is not None:
                sys.exit(f"{path}:{number}: {error.json_path}: {error.message:.200}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    xml = kinds.add_parser("xml")
    xml.add_argument("report")
    for name in ("hosts", "up", "ports", "udp", "scripts", "macs", "hops"):
        xml.add_argument(f"--{name}", type=int, required=True)
    jsonl = kinds.add_parser("jsonl")
    jsonl.add_argument("report")
    jsonl.add_argument("schema")
    args = parser.parse_args()
    if args.kind == "xml":
        check_libnmap(args.report, args)
        check_nmap(args.report, args)
        check_routes(args.report, args)
    else:
        check_json_lines(args.report, args.schema)


if __name__ == "__main__":
    main()
