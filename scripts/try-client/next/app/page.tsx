import { Uploader } from './Uploader';

export default function Page() {
  return <Uploader />;
}
