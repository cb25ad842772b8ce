"""Hosts: network namespaces, joined by a bridge, each with an sshd and a file system of its own where that is asked for."""

import os, subprocess
from pathlib import Path

NET = "10.77.5"
HOSTS = ["anna", "bob", "carl"]


class Hosts:
    """Three hosts, and this machine as the one that drives them and keeps the files, at NET.1."""

    def __init__(self, lab, variables):
        self.lab, self.variables = lab, variables
        self.keys, self.daemons = lab.folder("ssh"), {}
        for name in ("host", "user"):
            lab.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.keys / name])
        self.config = self.keys / "config"
        (self.keys / "authorized").write_bytes((self.keys / "user.pub").read_bytes())
        names = "".join(f"Host {host}\n  HostName {address(host)}\n" for host in HOSTS)
        self.config.write_text(f"{names}Host *\n  IdentityFile {self.keys}/user\n  UserKnownHostsFile /dev/null\n"
                               "  StrictHostKeyChecking no\n  LogLevel ERROR\n  BatchMode yes\n")
        lab.variables["PARALLEL_SSH"] = f"ssh -F {self.config}"
        os.makedirs("/run/sshd", exist_ok=True)
        lab.folder("no-files")
        self.remove()
        ip("link", "add", "cht-lab", "type", "bridge")
        ip("addr", "add", f"{NET}.1/24", "dev", "cht-lab")
        ip("link", "set", "cht-lab", "up")
        for n, host in enumerate(HOSTS):
            ip("netns", "add", f"cht-{host}")
            ip("link", "add", f"cht-lab{n}", "type", "veth", "peer", "name", "eth0", "netns", f"cht-{host}")
            ip("link", "set", f"cht-lab{n}", "master", "cht-lab", "up")
            for command in (["addr", "add", f"{address(host)}/24", "dev", "eth0"], ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]):
                ip("-n", f"cht-{host}", *command)
        self.serve("driver")

    def serve(self, host, hidden=None):
        """Starts the sshd of a host, which does not see the files of `hidden`."""
        folder = self.lab.folder(f"hosts/{host}")
        variables = self.variables | {"CLUSTER_WORK": str(folder / "work"), "RCLONE_CONFIG_STORE_TYPE": "sftp", "RCLONE_CONFIG_STORE_USER": "root",
                                      "RCLONE_CONFIG_STORE_HOST": f"{NET}.1", "RCLONE_CONFIG_STORE_KEY_FILE": str(self.keys / "user")}
        for name in ("PATH", "CHT_CACHE", "CHT_BATCH_SETTLE"):
            variables[name] = self.lab.variables[name]
        own = folder / "sshd_config"
        port = f"ListenAddress {address(host)}\nHostKey {self.keys}/host\nPidFile none\nAuthorizedKeysFile {self.keys}/authorized\n"
        values = " ".join(f'"{name}={value}"' for name, value in variables.items())
        own.write_text(port + "PermitRootLogin yes\nStrictModes no\nUsePAM no\nMaxStartups 100\nMaxSessions 100\n"
                       f"Subsystem sftp internal-sftp\nSetEnv {values}\n")
        daemon = ["/usr/sbin/sshd", "-D", "-e", "-f", str(own)]
        if host != "driver":
            home = self.lab.folder(f"hosts/{host}/root")
            mounts = f"mount --bind {home} /root"
            for path in hidden or []:
                mounts += f" && mount --bind {self.lab.place}/no-files {path}"
            daemon = ["ip", "netns", "exec", f"cht-{host}", "unshare", "--uts", "sh", "-c",
                      f"hostname {host} && {mounts} && exec {' '.join(daemon)}"]
        self.daemons[host] = self.lab.start(daemon, f"hosts/{host}.log", env=self.lab.variables)
        self.lab.until(lambda: self.answers(host), f"the sshd of {host}")

    def answers(self, host):
        return subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/{address(host)}/22 && head -c 4 <&3"], capture_output=True).stdout == b"SSH-"

    def processes(self, host):
        """Returns the PIDs on a host, without its sshd that listens."""
        found = subprocess.run(["ip", "netns", "pids", f"cht-{host}"], capture_output=True, text=True).stdout
        return [int(pid) for pid in found.split() if int(pid) != self.daemons[host].pid]

    def stop(self):
        from lab import kill_session
        for host in HOSTS:
            for pid in self.processes(host):
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
            if host in self.daemons:
                kill_session(self.daemons.pop(host))

    def remove(self):
        for n, host in enumerate(HOSTS):
            # A namespace lasts as long as a program in it; its link would, too.
            if Path(f"/sys/class/net/cht-lab{n}").exists():
                ip("link", "del", f"cht-lab{n}")
            if Path(f"/run/netns/cht-{host}").exists():
                ip("netns", "del", f"cht-{host}")
        if Path("/sys/class/net/cht-lab").exists():
            ip("link", "del", "cht-lab")


def address(host):
    return f"{NET}.1" if host == "driver" else f"{NET}.{10 + HOSTS.index(host)}"


def ip(*words):
    subprocess.run(["ip", *words], check=True)
