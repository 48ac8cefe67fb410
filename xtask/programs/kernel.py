"""A notebook's kernel, driven as a notebook does it."""

from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel()
for n in range(20):
    client.execute_interactive(f"sum(i * i for i in range(1_000_000 + {n}))", output_hook=lambda message: None)
client.execute_interactive("import subprocess, sys; subprocess.run([sys.executable, '-c', 'import work; work.work(5000)'])")
client.stop_channels()
manager.shutdown_kernel()
print("done")
