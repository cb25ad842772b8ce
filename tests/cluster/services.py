"""Slurm, RabbitMQ and an S3 server, started without a service manager, each with files and ports of its own."""

import os, socket, subprocess

from hosts import NET

AMQP, S3 = 25673, 25900


class Slurm:
    """A cluster of one node, this machine."""

    def __init__(self, lab, cpus):
        self.lab, self.place = lab, lab.folder("slurm")
        name, place = socket.gethostname().split(".")[0], self.place
        self.munge = ["munged", "--force", "--foreground", f"--key-file={place}/key", f"--socket={place}/munge.socket",
                      f"--pid-file={place}/munge.pid", f"--log-file={place}/munge.log", f"--seed-file={place}/munge.seed"]
        (place / "key").write_bytes(os.urandom(128))
        (place / "key").chmod(0o400)
        (place / "slurm.conf").write_text(f"""\
ClusterName=cht
SlurmctldHost={name}(127.0.0.1)
SlurmctldPort=25817
SlurmdPort=25818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
CredType=cred/munge
StateSaveLocation={lab.folder("slurm/state")}
SlurmdSpoolDir={lab.folder("slurm/spool")}
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=20
KillWait=5
NodeName={name} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={name} Default=YES MaxTime=INFINITE State=UP
""")
        self.name, self.daemons, self.resumed, self.released = name, {}, 0, 0
        lab.variables["SLURM_CONF"] = str(place / "slurm.conf")
        self.start("munged", self.munge)
        lab.until((place / "munge.socket").exists, "munged")
        self.start("slurmctld", ["slurmctld", "-D"])
        self.start("slurmd", ["slurmd", "-D", "-N", name])
        lab.until(self.is_idle, "the node of Slurm")

    def start(self, name, command=None):
        self.daemons[name] = self.lab.start(command or self.daemons[name].args, f"slurm/{name}.out")

    def is_idle(self):
        return self.lab.run(["sinfo", "-h", "-o", "%t"], may_fail=True).stdout.strip() in ("idle", "mix", "alloc")

    def restart(self, name):
        """Kills a daemon, and starts it again. Steps that it has started go on."""
        self.daemons[name].kill()
        self.daemons[name].wait()
        self.start(name)
        self.lab.until(self.is_idle, f"{name} again")

    def tend(self):
        """Does what an operator has to do after slurmctld was killed: it gives numbers of tasks again that are at work still, and drains the
        node, or holds the task, for that."""
        if self.lab.run(["sinfo", "-h", "-o", "%t"], may_fail=True).stdout.startswith(("drain", "drng", "down")):
            self.lab.run(["scontrol", "update", f"NodeName={self.name}", "State=RESUME"], may_fail=True)
            self.resumed += 1
        held = [job for job, reason in (line.split(None, 1) for line in self.lab.run(["squeue", "-hr", "-t", "PD", "-o", "%i %r"], may_fail=True).stdout.splitlines())
                if reason.startswith(("JobHeld", "launch"))]
        if held:
            self.lab.run(["scontrol", "release", ",".join(held)], may_fail=True)
            self.released += 1


class RabbitMq:
    def __init__(self, lab):
        self.lab, place = lab, lab.folder("rabbitmq")
        self.variables = lab.variables | {
            "HOME": str(place), "ERL_CRASH_DUMP": "/dev/null", "RABBITMQ_NODENAME": "cht-lab@localhost", "RABBITMQ_NODE_IP_ADDRESS": f"{NET}.1",
            "RABBITMQ_NODE_PORT": str(AMQP), "RABBITMQ_DIST_PORT": str(AMQP + 1), "RABBITMQ_MNESIA_BASE": f"{place}/data",
            "RABBITMQ_LOG_BASE": f"{place}/log", "RABBITMQ_ENABLED_PLUGINS_FILE": f"{place}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{place}/rabbitmq.conf"}
        # The user guest may come from other hosts of the test.
        (place / "rabbitmq.conf").write_text("loopback_users = none\n")
        self.url = f"amqp://{NET}.1:{AMQP}"
        lab.variables["AMQP_URL"] = self.url
        self.start()

    def start(self):
        # That in PATH becomes another user.
        self.server = self.lab.start(["/usr/lib/rabbitmq/bin/rabbitmq-server"], "rabbitmq/out", env=self.variables)
        self.lab.until(lambda: self.lab.run(["amqp-declare-queue", f"--url={self.url}", "-d", "-q", "ready"], may_fail=True).returncode == 0,
                       "RabbitMQ", 120)

    def restart(self):
        from lab import kill_session
        kill_session(self.server)
        self.start()

    def messages(self):
        """Returns how many messages each queue has, those at work with workers among them."""
        cookie = (self.lab.place / "rabbitmq/.erlang.cookie").read_text()
        command = ["/usr/lib/rabbitmq/bin/rabbitmqctl", "--erlang-cookie", cookie, "--quiet", "--no-table-headers", "list_queues", "name", "messages"]
        rows = self.lab.run(command, env=self.variables).stdout.split()
        return dict(zip(rows[::2], map(int, rows[1::2])))


def s3(lab, moto):
    """Starts an S3 server, and returns the variables that tell rclone where it is."""
    lab.start([moto / "bin/moto_server", "-H", f"{NET}.1", "-p", S3], "moto.log")
    lab.until(lambda: subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/{NET}.1/{S3}"], capture_output=True).returncode == 0, "moto")
    return {"RCLONE_CONFIG_S3_TYPE": "s3", "RCLONE_CONFIG_S3_PROVIDER": "Other", "RCLONE_CONFIG_S3_REGION": "us-east-1",
            "RCLONE_CONFIG_S3_ENDPOINT": f"http://{NET}.1:{S3}", "RCLONE_CONFIG_S3_ACCESS_KEY_ID": "a", "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": "b"}
